//! plugins/file
