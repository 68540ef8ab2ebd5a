//! Downloads of `file://` URLs, from the directories of setting `ALLOWED_IMPORT_PATHS` only (D03).

use std::path::PathBuf;

use entities::{Settings, storage};
use futures_util::{StreamExt, TryStreamExt};
use reqwest::header::HeaderMap;
use rustix::fs::OFlags;
use tokio_util::io::ReaderStream;
use url::Url;

use super::{Body, DownloadError, Failure};

pub(super) async fn open(settings: &Settings, url: &str, parsed: &Url) -> Result<Body, DownloadError> {
    let error = |message: String| DownloadError::new(url, Failure::Local(message));
    let path: PathBuf =
        parsed.to_file_path().map_err(|()| error(format!("{} is not an absolute path", parsed.path())))?;
    let allowed = settings.allowed_import_paths.clone();
    let (inside, path) = tokio::task::spawn_blocking(move || (storage::is_inside(&path, &allowed), path))
        .await
        .map_err(|cause| error(cause.to_string()))?;
    if !inside {
        return Err(error("there is no such file inside ALLOWED_IMPORT_PATHS".into()));
    }
    // Opening a pipe would wait for its other end.
    let nonblocking = OFlags::NONBLOCK.bits() as i32;
    let opened = tokio::fs::OpenOptions::new().read(true).custom_flags(nonblocking).open(&path).await;
    let file = opened.map_err(|cause| error(cause.to_string()))?;
    let metadata = file.metadata().await.map_err(|cause| error(cause.to_string()))?;
    if !metadata.is_file() {
        return Err(error("it is not a regular file".into()));
    }
    let url = url.to_owned();
    Ok(Body {
        headers: HeaderMap::new(),
        coding: None,
        length: Some(metadata.len()),
        stream: ReaderStream::with_capacity(file, 64 * 1024)
            .map_err(move |cause| DownloadError::new(&url, Failure::Local(cause.to_string())))
            .boxed(),
    })
}
