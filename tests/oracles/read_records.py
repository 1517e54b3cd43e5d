"""Read a detection .rec as a training job does; print each image's raster and objects as JSON.

Run by MXNet's Python: read_records.py FILE LABEL_WIDTH
"""

import json
import sys

import mxnet

path, label_width = sys.argv[1], int(sys.argv[2])
batches = mxnet.io.ImageDetRecordIter(
    path_imgrec=path,
    batch_size=1,
    data_shape=(3, 300, 300),
    label_pad_width=label_width,
    preprocess_threads=1,
    verbose=False,
)
found = []
for batch in batches:
    if batch.pad:
        continue
    values = batch.label[0].asnumpy()[0].tolist()
    channels, rows, columns, length = (int(value) for value in values[:4])
    label = values[4 : 4 + length]
    first, width = int(label[0]), int(label[1])
    objects = [label[at : at + width] for at in range(first, length, width)]
    found.append({"channels": channels, "size": [columns, rows], "objects": objects})
sys.stdout.write(json.dumps(found))
