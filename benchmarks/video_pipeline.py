"""Speed of detection in videos, compared with the bare engine.

python -m benchmarks.video_pipeline --model yolo-fastest-1.1-xl --video library.mp4 [--rounds 5]
    [--videos 20]

Both run in this process, in turn: the engine on prepared inputs, with as many threads as it has
workers, and the pipeline, which decodes, resizes, detects and postprocesses every frame: from its
first result on, and from the start of the decoder, which counts in short videos. With ``--videos``,
so many copies of the video are detected in as well, as many at a time as the site would.
"""

import argparse
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import django
import numpy as np

django.setup()

from django.conf import settings  # noqa: E402

from detect_video.jobs.pipeline import detect_frames, open_frames  # noqa: E402
from ml_core import model_pool  # noqa: E402
from ml_core.catalog import selection  # noqa: E402


def bare_fps(broker, frames: int, input_wh: tuple[int, int]) -> float:
    """Frames per second of the engine on prepared inputs."""
    batch = np.random.default_rng(0).integers(0, 256, (1, *input_wh[::-1], 3), np.uint8)
    started = time.perf_counter()
    with ThreadPoolExecutor(broker.engine.workers) as threads:
        list(threads.map(lambda _: broker.engine.infer(batch), range(frames)))
    return frames / (time.perf_counter() - started)


def pipeline_fps(video: Path, model: str, most: int) -> tuple[float, float]:
    """Frames per second from file to boxes: from the first result on, and from the start."""
    frames, started = 0, 0.0
    opened = time.perf_counter()
    with open_frames(video, model=model) as reader:
        size_wh = reader.info.width, reader.info.height
        for found in detect_frames(
            reader, resolution_wh=size_wh, model=model, queue_key="benchmark"
        ):
            if not started:
                started = time.perf_counter()
                continue
            frames += len(found)
            if frames >= most:
                break
        ended = time.perf_counter()
        return frames / (ended - started), frames / (ended - opened)


def videos_per_s(video: Path, model: str, most: int, videos: int) -> float:
    """Videos per second, each from its file to the boxes of at most ``most`` frames."""
    started = time.perf_counter()
    with ThreadPoolExecutor(settings.LIMITS["video_jobs"]) as threads:
        list(threads.map(lambda _: pipeline_fps(video, model, most), range(videos)))
    return videos / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--video", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--frames", type=int, default=300, help="at most, in each round")
    parser.add_argument("--videos", type=int, default=0, help="copies of the video")
    options = parser.parse_args()

    spec = selection.models()[options.model]
    broker = model_pool.broker(spec)
    pipeline_fps(options.video, options.model, 30)
    ratios = []
    print(f"{options.model}, {options.video.name}: {broker.engine.info()}")
    for number in range(1, options.rounds + 1):
        video, whole = pipeline_fps(options.video, options.model, options.frames)
        bare = bare_fps(broker, options.frames, spec.input_wh)
        ratios.append(video / bare)
        print(
            f"round {number}: bare {bare:6.1f} FPS, pipeline {video:6.1f} FPS, {ratios[-1]:.2f}; "
            f"with the start {whole:6.1f} FPS"
        )
    print(f"median ratio {statistics.median(ratios):.2f}")
    if options.videos:
        rate = videos_per_s(options.video, options.model, options.frames, options.videos)
        at_a_time = settings.LIMITS["video_jobs"]
        print(f"{options.videos} videos, {at_a_time} at a time: {rate:.2f} videos per second")


if __name__ == "__main__":
    main()
