# ruff: noqa: T201
"""Detects with Darknet models by OpenCV 4, as scripts of its users do.

Each line of standard input is a JSON list: a cfg, its weights, an image, width and height of
the network's input, a file for the results.
"""

import json
import sys

import cv2
import numpy as np

CONFIDENCE, NMS = 0.3, 0.4


def outputs_of(net, image, size):
    """What the last layers give for an image, by their names."""
    layers = net.getLayerNames()
    last = [layers[i - 1] for i in net.getUnconnectedOutLayers()]
    net.setInput(cv2.dnn.blobFromImage(image, 1 / 255, size, swapRB=True, crop=False))
    return dict(zip(last, net.forward(last), strict=True))


def objects_in(rows, width, height):
    """Classes, confidences and boxes in px of what is likely enough, each object once."""
    classes, confidences, boxes = [], [], []
    for row in rows:
        best = int(np.argmax(row[5:]))
        if row[5 + best] > CONFIDENCE:
            w, h = row[2] * width, row[3] * height
            boxes.append([int(row[0] * width - w / 2), int(row[1] * height - h / 2), int(w), int(h)])
            confidences.append(float(row[5 + best]))
            classes.append(best)
    kept = np.array(cv2.dnn.NMSBoxes(boxes, confidences, CONFIDENCE, NMS), dtype=int).flatten()
    return [[classes[i], confidences[i], *boxes[i]] for i in kept]


def run(cfg, weights, picture, width, height, results):
    net = cv2.dnn.readNetFromDarknet(cfg, weights)
    net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    net.setPreferableTarget(cv2.dnn.DNN_TARGET_CPU)
    image = cv2.imread(picture, cv2.IMREAD_UNCHANGED)
    outputs = outputs_of(net, image, (width, height))
    rows = [row for output in outputs.values() if output.ndim == 2 for row in output]
    objects = objects_in(rows, image.shape[1], image.shape[0])
    np.savez(results, objects=np.array(objects, dtype=float).reshape(-1, 6), **outputs)


print(cv2.__version__, flush=True)
for line in sys.stdin:
    try:
        run(*json.loads(line))
        print("done", flush=True)
    except Exception as error:  # the next one may do
        print(f"{type(error).__name__}: {error}".replace("\n", " "), flush=True)
