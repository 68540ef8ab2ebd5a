//! The lines of an upstream's index, read as the bytes come.

use anyhow::Context;
use entities::storage::Staged;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use tokio_util::codec::{FramedRead, LinesCodec};
use tokio_util::io::StreamReader;

use crate::TaskContext;
use crate::download::shown;

/// The longest line in bytes; a path of the file system has at most 4096.
const LONGEST: usize = 8 * 1024;

/// What `parse` reads from each line of an index that was downloaded from `url`; lines of which it returns
/// `None` are passed over. The index is never in memory as a whole.
///
/// A line that `parse` refuses, that is longer than 8 KiB or that is not UTF-8 is an error that names it.
///
/// # Errors
/// If the storage is away.
pub async fn lines<T: Send + 'static>(
    cx: &TaskContext,
    index: &Staged,
    url: &str,
    parse: fn(&str) -> anyhow::Result<Option<T>>,
) -> anyhow::Result<BoxStream<'static, anyhow::Result<T>>> {
    let url = shown(url);
    let bytes = cx.pulp().storage.read_staged(index).await?.map_err(std::io::Error::other);
    let lines = FramedRead::new(StreamReader::new(bytes), LinesCodec::new_with_max_length(LONGEST));
    let parsed = lines.enumerate().filter_map(move |(index, line)| {
        let parsed = line
            .map_err(anyhow::Error::from)
            .and_then(|line| parse(&line))
            .with_context(|| format!("line {} of {url} is malformed", index + 1));
        std::future::ready(parsed.transpose())
    });
    Ok(parsed.boxed())
}
