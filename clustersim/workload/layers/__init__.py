"""What each kind of layer computes, keeps and sends: a layer kind is a file."""
