"""The inbox: every delivery that was answered 200, durable, each known by its id and by its bytes."""
