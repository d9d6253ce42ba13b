//! What users see: the real program in temporary projects.

mod harness;
