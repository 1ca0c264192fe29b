/** Records the frames as they are shown, in a format that the browser can write. */

// In order of preference.
const TYPES = ["video/mp4;codecs=avc1.42E01E", "video/webm;codecs=vp9", "video/webm"];
const FRAMES_PER_SECOND = 30;

export class Recorder {
  /** @param {(canvas: HTMLCanvasElement) => void} paint draws the current frame */
  constructor(paint) {
    this.paint = paint;
    this.canvas = document.createElement("canvas");
    /** @type {MediaRecorder | null} */
    this.recorder = null;
    /** @type {Blob[]} */
    this.parts = [];
  }

  static get isSupported() {
    return typeof MediaRecorder === "function" && "captureStream" in HTMLCanvasElement.prototype;
  }

  get isRecording() {
    return this.recorder !== null;
  }

  start() {
    this.paint(this.canvas);
    const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
    this.parts = [];
    this.recorder = new MediaRecorder(this.canvas.captureStream(FRAMES_PER_SECOND), { mimeType });
    this.recorder.ondataavailable = ({ data }) => this.parts.push(data);
    this.recorder.start(1000);
  }

  /** Call this after each drawn frame. */
  frameDrawn() {
    if (this.recorder) this.paint(this.canvas);
  }

  /** @returns {Promise<Blob>} the complete recording */
  stop() {
    const recorder = /** @type {MediaRecorder} */ (this.recorder);
    this.recorder = null;
    return new Promise((resolve) => {
      const [type] = recorder.mimeType.split(";");
      recorder.onstop = () => resolve(new Blob(this.parts, { type }));
      recorder.stop();
    });
  }
}
