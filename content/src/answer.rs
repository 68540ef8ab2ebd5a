//! What a handler of a plugin may do with a request: send bytes of the database, of a remote, or its own.

use std::sync::Arc;

use bytes::Bytes;
use entities::checksum::Expected;
use entities::storage::Staged;
use entities::{Pulp, Result, remote};
use http::{HeaderValue, StatusCode, header};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use serde::Serialize;
use tasking::units::Unit;
use uuid::Uuid;
use warp::Reply;

use crate::context::Context;
use crate::pull::{self, Pulled};
use crate::{Distribution, Response, Services, distribution, file, problem};

/// The means to respond to one request.
#[derive(Clone, Debug)]
pub struct Answer {
    cx: Context,
    services: Arc<Services>,
}

impl Answer {
    pub(crate) fn new(cx: Context, services: Arc<Services>) -> Answer {
        Answer { cx, services }
    }

    /// The handles of the process.
    pub fn pulp(&self) -> &Pulp {
        &self.cx.pulp
    }

    /// For services with a root of their own: the distribution with the longest base path that a path starts
    /// with, and the rest of the path without its slash. `None` if there is no such distribution.
    ///
    /// # Errors
    /// If its content guard refuses the client, or the database is away.
    pub async fn distribution(&self, path: &str) -> Result<Option<(Distribution, String)>> {
        let found = distribution::find(&self.cx, &self.services, path).await?;
        Ok(found.map(|distribution| {
            let rest = path[distribution.base_path.len()..].trim_start_matches('/').to_owned();
            (distribution, rest)
        }))
    }

    /// The remote that a distribution fetches from what it does not have (A21).
    ///
    /// # Errors
    /// If the database is away.
    pub async fn remote(&self, distribution: &Distribution) -> Result<Option<remote::Model>> {
        let Some(id) = distribution.remote else { return Ok(None) };
        let domain = remote::Column::PulpDomainId.eq(distribution.domain);
        Ok(remote::Entity::find_by_id(id).filter(domain).one(&self.cx.pulp.db).await?)
    }

    /// The file at a path of a distribution, published or passed through; with ranges, conditions, and
    /// fetched from a remote if it is not stored. `None` if there is none, or no remote has it.
    ///
    /// # Errors
    /// If the database or the storage is away.
    pub async fn file(&self, distribution: &Distribution, path: &str) -> Result<Option<Response>> {
        let Some(found) = file::published(&self.cx.pulp, distribution, path).await? else { return Ok(None) };
        file::respond(&self.cx, distribution.domain, path, found).await
    }

    /// An artifact of a content unit in the domain of the distribution, whether the distribution's version
    /// has the unit or not; sent as [`Answer::file`]. `relative_path` is its path within the unit; the name
    /// at its end gives the media type.
    ///
    /// # Errors
    /// If the database or the storage is away.
    pub async fn artifact(
        &self,
        distribution: &Distribution,
        content: Uuid,
        relative_path: &str,
    ) -> Result<Option<Response>> {
        let domain = distribution.domain;
        let Some(found) = file::of_unit(&self.cx.pulp, domain, content, relative_path).await? else {
            return Ok(None);
        };
        file::respond(&self.cx, domain, relative_path, found).await
    }

    /// Pull-through: sends what a remote has at a URL while it comes, checks that it is `expected`, and saves
    /// it as a unit that `parse` reads from it (unless the policy of the remote is `streamed`). `path` gives
    /// the media type. `None` if the remote has nothing there.
    ///
    /// The unit is of the domain of the distribution, and in no repository. Nothing is saved of bytes that
    /// are wrong or that the client did not wait for. Look up first whether the unit is there: this always
    /// asks the remote.
    ///
    /// # Errors
    /// If the remote cannot be used for now, or the database is away.
    pub async fn pull<F>(
        &self,
        distribution: &Distribution,
        remote: &remote::Model,
        url: &str,
        path: &str,
        expected: Expected,
        parse: impl FnOnce(Staged) -> F + Send + 'static,
    ) -> Result<Option<Response>>
    where
        F: Future<Output = anyhow::Result<Unit>> + Send + 'static,
    {
        let pulled = Pulled { domain: distribution.domain, remote, url, path, expected };
        pull::respond(&self.cx, pulled, Box::new(move |staged| Box::pin(parse(staged)))).await
    }

    /// A value as JSON.
    ///
    /// # Errors
    /// If it cannot be serialised.
    pub fn json(value: &impl Serialize) -> Result<Response> {
        let json = serde_json::to_vec(value).map_err(anyhow::Error::from)?;
        Ok(Answer::bytes("application/json", json))
    }

    /// An HTML page. Escape what comes from elsewhere.
    pub fn html(page: impl Into<String>) -> Response {
        warp::reply::html(page.into()).into_response()
    }

    /// Plain text.
    pub fn text(text: &str) -> Response {
        Answer::bytes("text/plain; charset=utf-8", text.to_owned())
    }

    /// Bytes in memory.
    pub fn bytes(media_type: &'static str, bytes: impl Into<Bytes>) -> Response {
        let mut response = Response::new(bytes.into().into());
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        response
    }

    /// A status, with its name as text.
    pub fn status(status: StatusCode) -> Response {
        problem::plain(status)
    }

    /// Sends the client elsewhere, with 301, 302, 303, 307 or 308; 404 if the location cannot stand in a
    /// header.
    pub fn redirect(status: StatusCode, location: &str) -> Response {
        problem::redirect(status, location)
    }
}
