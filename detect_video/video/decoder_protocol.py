"""What the decoding process answers: messages of a header and as many bytes as it says."""

import struct

# Kind, time stamp in microseconds, width and height in pixels, number of bytes that follow.
MESSAGE = struct.Struct("<cqIII")
# JSON; a picture; only a sign of life; sound; JSON on how it ended.
HEADER, FRAME, SKIPPED, AUDIO, END = b"H", b"F", b"S", b"A", b"E"
