//! The remote's manifest as a stream of entries.

use anyhow::Context;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, TryStreamExt};
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::io::StreamReader;

use crate::manifest::{Entry, MAX_LINE};

/// The entries of a manifest. A line that cannot be read is an error that names it.
pub(super) fn entries<E>(
    bytes: BoxStream<'static, Result<Bytes, E>>,
    url: &str,
) -> impl Stream<Item = anyhow::Result<Entry>> + Send + use<E>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let url = url.to_owned();
    let reader = StreamReader::new(bytes.map_err(std::io::Error::other));
    FramedRead::new(reader, LinesCodec::new_with_max_length(MAX_LINE)).enumerate().filter_map(
        move |(index, line)| {
            let entry = line
                .map_err(anyhow::Error::from)
                .and_then(|line| Entry::parse(&line))
                .with_context(|| format!("line {} of {url} is malformed", index + 1));
            std::future::ready(entry.transpose())
        },
    )
}

/// The last segment of the manifest's URL.
pub(super) fn file_name(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    match path.rsplit('/').next() {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => crate::details::MANIFEST.to_owned(),
    }
}
