"""From a DICOM instance to the uint8 clip that the model sees: one instance's way through this folder.

clip                the one public function, top to bottom: read_clip
  source              the bytes: a mapped file, an object in a bucket, an inflated data set
  frames              the pictures, each decoded when it is asked for
    image               what the pixels mean, with tolerance for what machines write
    native, offsets     where a frame lies: by arithmetic, by offset table, by walking the items
    codestream, codecs  what the head of a compressed frame says; its samples
    colour, palette     samples to RGB of eight bits
    video               MPEG-2, H.264, HEVC
  timing              when each frame was taken
    heartbeat, raw_numbers
  profiles            fast-1 and upstream-1: which frames, which part, how resized
    sampling, cubic
  regions             where the tissue is, by the machine
    calibration
  sector              and by what moves
    speckle, colour_doppler
faults              whatever damaged bytes lead pydicom to becomes a reason
look, sheet         `echoworker clip`: the same for people to see; drawing, what all sheets of pictures are made of
screen              frames for browsers
"""
