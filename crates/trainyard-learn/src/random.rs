//! Placeholder: see the branch that builds this module.
