"""A Darknet network prepared for training: loss, optimizer and initial weights."""

import math
from pathlib import Path

import keras

from ml_core.networks.darknet import build_darknet, load_weights
from ml_core.networks.darknet_cfg import parse_config, read_config
from ml_core.training.detection.state import DetectorState
from ml_core.training.detection.yolo_loss import Tensor, join_heads, yolo_loss
from ml_core.training.detection.yolo_targets import AnchorGrid, build_anchor_grid
from ml_core.training.precision import dtype_policy, jit_compile
from ml_core.training.schedule import OneCycle

WEIGHT_DECAY = 0.05
# The first steps can have huge gradients.
MAX_GRADIENT_NORM = 10.0
# The saved weights are a moving average over this share of all steps.
AVERAGED_SHARE = 0.05
# Keras's default of 0.99 lags hundreds of steps behind, too many for short trainings.
BATCH_NORM_MOMENTUM = 0.97
# The objectness and class probabilities that an untrained network predicts.
PRIOR_PROBABILITY = 0.01


class TrainableDetector(keras.Model):
    """A Darknet network trained with ``yolo_loss``."""

    grid: AnchorGrid

    def compute_loss(
        self,
        x: Tensor = None,
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        raw = join_heads(keras.tree.flatten(y_pred), self.grid.num_classes)
        return yolo_loss(raw, y["targets"], y["boxes"], self.grid)


def build_trainable(state: DetectorState) -> TrainableDetector:
    """Build the network with random weights, compile it, and build its optimizer."""
    settings = state.settings
    config = parse_config(state.config)
    with dtype_policy(settings.precision):
        network = build_darknet(config)
    model = TrainableDetector(network.inputs, network.outputs)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM
    grids_wh = [(head.shape[2], head.shape[1]) for head in network.outputs]
    model.grid = build_anchor_grid(config.yolo_layers, grids_wh, config.input_wh)
    for head in (section for section in config.sections if section.kind == "yolo"):
        init_head_bias(model.get_layer(f"convolutional_{head.index - 1}"), len(state.labels))
    steps = settings.epochs * state.steps_per_epoch
    optimizer = keras.optimizers.AdamW(
        OneCycle(peak=settings.learning_rate, total_steps=steps),
        weight_decay=WEIGHT_DECAY,
        global_clipnorm=MAX_GRADIENT_NORM,
        use_ema=True,
        ema_momentum=max(0.0, 1 - 1 / max(1.0, AVERAGED_SHARE * steps)),
    )
    # Biases and normalisation have too few parameters to overfit.
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(optimizer=optimizer, jit_compile=jit_compile())
    model.optimizer.build(model.trainable_variables)
    return model


def init_head_bias(layer: keras.layers.Conv2D, num_classes: int) -> None:
    """Set the bias so that initial predictions are low (RetinaNet, arXiv:1708.02002, 4.1)."""
    kernel, bias = layer.get_weights()
    logit = math.log(PRIOR_PROBABILITY / (1 - PRIOR_PROBABILITY))
    bias.reshape(-1, 5 + num_classes)[:, 4:] = logit
    layer.set_weights([kernel, bias])


def copy_weights(config_path: Path, weights_path: Path, model: keras.Model) -> None:
    """Copy the weights of a Darknet network into all layers of the same shape."""
    source = build_darknet(read_config(config_path))
    load_weights(source, weights_path)
    for layer in source.layers:
        values, target = layer.get_weights(), model.get_layer(layer.name)
        if [value.shape for value in values] == [value.shape for value in target.get_weights()]:
            target.set_weights(values)
