"""One call: matched, judged stage by stage, counted, recorded, settled."""
