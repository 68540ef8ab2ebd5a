//! The access log: a line for each request, when the last byte of its response is sent or the client is gone.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use http::Method;
use hyper::body::{Body, Buf, Frame, SizeHint};
use tracing::Span;

use crate::RequestInfo;
use crate::limits::Place;

/// The user of a request, put into the extensions of its response for the access log.
#[derive(Clone, Debug)]
pub struct User(pub String);

/// What a line tells; it is written when this is dropped.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) span: Span,
    pub(crate) began: Instant,
    pub(crate) info: RequestInfo,
    pub(crate) method: Method,
    /// With the query, without anything that may come before the path.
    pub(crate) path: String,
    /// None until there is a response.
    pub(crate) status: Option<u16>,
    pub(crate) user: Option<User>,
    /// Of the response's body.
    pub(crate) bytes: u64,
}

impl Drop for Line {
    fn drop(&mut self) {
        let _entered = self.span.enter();
        tracing::info!(
            target: "access",
            client = self.info.client.map(tracing::field::display),
            user = self.user.as_ref().map(|user| user.0.as_str()),
            method = %self.method,
            path = self.path,
            status = self.status,
            bytes = self.bytes,
            ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            "request"
        );
    }
}

/// A response's body that counts what is sent, within the span of the request.
#[derive(Debug)]
pub(crate) struct Counted<B> {
    body: B,
    line: Line,
    place: Option<Place>,
}

impl<B> Counted<B> {
    /// A body that is ready to be sent.
    pub(crate) fn new(body: B, line: Line, mut place: Option<Place>) -> Counted<B> {
        if let Some(place) = &mut place {
            place.set_ready(true);
        }
        Counted { body, line, place }
    }

    fn set_ready(&mut self, is_ready: bool) {
        if let Some(place) = &mut self.place {
            place.set_ready(is_ready);
        }
    }
}

impl<B: Body + Unpin> Body for Counted<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let span = self.line.span.clone();
        let _entered = span.enter();
        self.set_ready(false);
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        // The connection holds a frame until there is room for it, and asks for the next or drops this then.
        self.set_ready(frame.is_some());
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.line.bytes += data.remaining() as u64;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
