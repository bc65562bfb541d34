"""How a request is answered: root fields and dataloaders."""
