//! The plugin's rows.

#[expect(clippy::disallowed_methods, reason = "the derive of an entity calls its own find")]
pub mod file_content;
