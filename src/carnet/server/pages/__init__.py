"""The pages that people see, rendered here and working without JavaScript."""
