//! What must be remembered: placements by epoch, terms, workflows.
