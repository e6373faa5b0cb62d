"""A network as ONNX: built from the graph, and run by ONNX Runtime."""
