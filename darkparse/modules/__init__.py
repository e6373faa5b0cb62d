"""The torch side of the layers: nn.Modules and decoding.  Imported only when a network is built."""
