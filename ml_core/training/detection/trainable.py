"""A Darknet network with all that training adds to it: loss, optimizer, a start."""

import math
from pathlib import Path

import keras

from ml_core.networks.darknet import build_darknet, load_weights
from ml_core.networks.darknet_cfg import parse_config, read_config
from ml_core.training.detection.state import DetectorState
from ml_core.training.detection.yolo_loss import Tensor, join_heads, yolo_loss
from ml_core.training.detection.yolo_targets import Slots, slots_of
from ml_core.training.precision import dtype_policy, jit_compile
from ml_core.training.schedule import OneCycle

WEIGHT_DECAY = 0.05
# Gradients of the first steps can be huge.
MOST_GRADIENT = 10.0
# The weights that are kept are a moving average over this share of all steps.
AVERAGED_SHARE = 0.05
# Keras's own 0.99 lags behind for hundreds of steps, which short trainings do not have.
STATISTICS_MOMENTUM = 0.97
# What an untrained network takes each place and each class to be an object's by.
PRIOR = 0.01


class TrainableDetector(keras.Model):
    """A Darknet network that is trained on targets and boxes; see ``yolo_loss``."""

    slots: Slots

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        raw = join_heads(keras.tree.flatten(y_pred), self.slots.num_classes)
        return yolo_loss(raw, y["targets"], y["boxes"], self.slots)


def build_trainable(state: DetectorState) -> TrainableDetector:
    """The network with random weights, compiled and with its optimizer built."""
    settings = state.settings
    config = parse_config(state.config)
    with dtype_policy(settings.precision):
        network = build_darknet(config)
    model = TrainableDetector(network.inputs, network.outputs)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = STATISTICS_MOMENTUM
    grids = [(head.shape[2], head.shape[1]) for head in network.outputs]
    model.slots = slots_of(config.yolo_layers, grids, config.input_wh)
    for head in (section for section in config.sections if section.kind == "yolo"):
        quieten(model.get_layer(f"convolutional_{head.index - 1}"), len(state.labels))
    steps = settings.epochs * state.steps_per_epoch
    optimizer = keras.optimizers.AdamW(
        OneCycle(peak=settings.learning_rate, total_steps=steps),
        weight_decay=WEIGHT_DECAY,
        global_clipnorm=MOST_GRADIENT,
        use_ema=True,
        ema_momentum=max(0.0, 1 - 1 / max(1.0, AVERAGED_SHARE * steps)),
    )
    # Biases and normalisation have too few numbers to overfit, and zero is no goal for them.
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(optimizer=optimizer, jit_compile=jit_compile())
    model.optimizer.build(model.trainable_variables)
    return model


def quieten(layer: keras.layers.Conv2D, num_classes: int) -> None:
    """Begin with few objects and few classes (RetinaNet's prior, arXiv:1708.02002, 4.1)."""
    kernel, bias = layer.get_weights()
    bias.reshape(-1, 5 + num_classes)[:, 4:] = math.log(PRIOR / (1 - PRIOR))
    layer.set_weights([kernel, bias])


def copy_weights(config_path: Path, weights_path: Path, model: keras.Model) -> None:
    """Take the weights of a Darknet network wherever their shapes are the same."""
    source = build_darknet(read_config(config_path))
    load_weights(source, weights_path)
    for layer in source.layers:
        values, target = layer.get_weights(), model.get_layer(layer.name)
        if [value.shape for value in values] == [value.shape for value in target.get_weights()]:
            target.set_weights(values)
