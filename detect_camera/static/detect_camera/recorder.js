/** Records what is shown, in whichever format the browser can write. */

const TYPES = ["video/mp4;codecs=avc1.42E01E", "video/webm;codecs=vp9", "video/webm"];
const FRAMES_PER_SECOND = 30;

export class Recorder {
  /** @param {(canvas: HTMLCanvasElement) => void} paint draws what is shown */
  constructor(paint) {
    this.paint = paint;
    this.canvas = document.createElement("canvas");
    /** @type {MediaRecorder | null} */
    this.recorder = null;
    /** @type {Blob[]} */
    this.parts = [];
  }

  /** Whether this browser can record at all. */
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

  /** To be called after each frame that is drawn. */
  frameDrawn() {
    if (this.recorder) this.paint(this.canvas);
  }

  /** @returns {Promise<Blob>} the whole recording */
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
