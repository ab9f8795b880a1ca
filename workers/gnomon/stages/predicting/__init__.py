"""What the shadow stage predicts with: live versions, their calls and corrections, and when it sheds tasks."""
