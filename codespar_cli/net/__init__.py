"""What goes over the network, in and out, whoever asks: one request and its answer, addresses, signatures of messages."""
