//! Downloads of `file://` URLs, from the directories of setting `ALLOWED_IMPORT_PATHS` only (D03).

use std::path::PathBuf;

use entities::{Settings, storage};
use futures_util::{StreamExt, TryStreamExt};
use reqwest::header::HeaderMap;
use tokio_util::io::ReaderStream;

use super::{Body, DownloadError, Failure};

pub(super) async fn open(settings: &Settings, url: &str, path: &str) -> Result<Body, DownloadError> {
    let error = |message: String| DownloadError { url: url.to_owned(), failure: Failure::Local(message) };
    let path: PathBuf = url::Url::parse(url)
        .ok()
        .and_then(|url| url.to_file_path().ok())
        .ok_or_else(|| error(format!("{path} is not an absolute path")))?;
    let allowed = settings.allowed_import_paths.clone();
    let (inside, path) = tokio::task::spawn_blocking(move || (storage::is_inside(&path, &allowed), path))
        .await
        .map_err(|cause| error(cause.to_string()))?;
    if !inside {
        return Err(error("there is no such file inside ALLOWED_IMPORT_PATHS".into()));
    }
    let file = tokio::fs::File::open(&path).await.map_err(|cause| error(cause.to_string()))?;
    let metadata = file.metadata().await.map_err(|cause| error(cause.to_string()))?;
    if !metadata.is_file() {
        return Err(error("it is not a regular file".into()));
    }
    let url = url.to_owned();
    Ok(Body {
        headers: HeaderMap::new(),
        length: Some(metadata.len()),
        stream: ReaderStream::with_capacity(file, 64 * 1024)
            .map_err(move |cause| DownloadError {
                url: url.clone(),
                failure: Failure::Local(cause.to_string()),
            })
            .boxed(),
    })
}
