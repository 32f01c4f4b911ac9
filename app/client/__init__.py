"""What runs on the machine of a producer or an operator: submit, follow, narrate files, check."""
