//! The plugin's rows.

pub mod file_content;
