"""Messages from the decoder process to its parent: a fixed header, then its payload."""

import struct

# Kind, timestamp in microseconds, width and height in pixels, payload size in bytes.
MESSAGE = struct.Struct("<cqIII")
# JSON metadata; a frame; a skipped frame, as a keep-alive; audio samples; JSON on the outcome.
HEADER, FRAME, SKIPPED, AUDIO, END = b"H", b"F", b"S", b"A", b"E"
# The detail of the problem when the limit on memory is exceeded, whichever process notices it.
TOO_MUCH_MEMORY = "Decoding the video takes too much memory."
