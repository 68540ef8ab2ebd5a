//! The plugin's tasks, one file each.

pub mod create_content;
pub mod publish;
pub mod synchronize;
