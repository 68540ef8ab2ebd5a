//! The error of everything below HTTP: what happened to what, in the kinds a caller decides on.
//!
//! Use this `Error` wherever a caller may turn it into an answer; `anyhow` in task bodies and `main`. The API
//! turns it into JSON in one place, a task into its `error` document.

use std::collections::BTreeMap;

use sea_orm::{DbErr, RuntimeErr, SqlErr};

use crate::db::Passing;

/// Messages per field, as DRF shows them; `non_field_errors` for the object as a whole.
pub type FieldErrors = BTreeMap<String, Vec<String>>;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The input is wrong, field by field (R24).
    #[error("{}", describe(.0))]
    Invalid(FieldErrors),
    /// The request cannot be read at all: bad JSON, a broken multipart body (R08).
    #[error("{0}")]
    Malformed(String),
    /// The body is of a media type that the operation does not take (R08).
    #[error("Unsupported media type \"{0}\" in request.")]
    UnsupportedMediaType(String),
    /// Nobody is logged in and somebody has to be.
    #[error("Authentication credentials were not provided.")]
    Unauthenticated,
    /// The credentials do not match.
    #[error("Invalid username/password.")]
    BadCredentials,
    /// The user may not do this.
    #[error("You do not have permission to perform this action.")]
    Forbidden,
    /// There is no such object.
    #[error("{kind} {key} does not exist")]
    NotFound {
        /// What was looked for.
        kind: &'static str,
        /// By which name or id.
        key: String,
    },
    /// The object is in a state or use that forbids this.
    #[error("{0}")]
    Conflict(String),
    /// The input is longer than the limit.
    #[error("The request is larger than {limit} bytes.")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The bytes are not those that were announced.
    #[error("{0}")]
    Digest(#[from] crate::checksum::Mismatch),
    /// Something that is needed is away for the moment.
    #[error("{0}")]
    Unavailable(String),
    /// The database refused or is away.
    #[error("the database said: {}", crate::db::message(.0))]
    Database(#[source] DbErr),
    /// The artifact store refused or is away.
    #[error("the artifact storage said: {0}")]
    Storage(#[from] object_store::Error),
    /// Anything else; the user sees no details.
    #[error(transparent)]
    Internal(anyhow::Error),
}

/// A result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// One message about one field.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Error {
        Error::Invalid(FieldErrors::from([(field.into(), vec![message.into()])]))
    }

    /// One message about the object as a whole.
    pub fn object(message: impl Into<String>) -> Error {
        Error::field("non_field_errors", message)
    }

    /// There is no `kind` with this `key`.
    pub fn not_found(kind: &'static str, key: impl ToString) -> Error {
        Error::NotFound { kind, key: key.to_string() }
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Error {
        match (&error, error.sql_err()) {
            (_, Some(SqlErr::UniqueConstraintViolation(detail))) => match taken(&error) {
                Some(field) => Error::field(field, "This field must be unique."),
                None => Error::Conflict(detail),
            },
            (_, Some(SqlErr::ForeignKeyConstraintViolation(detail))) => Error::Conflict(detail),
            _ => match Passing::why(&error) {
                Some(passing) => Error::Unavailable(passing.describe(&error)),
                None => Error::Database(error),
            },
        }
    }
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Error {
        let error = match error.downcast::<Error>() {
            Ok(error) => return error,
            Err(error) => error,
        };
        let cause = error.chain().find_map(|cause| cause.downcast_ref());
        let passing = cause.and_then(|cause| Some(Passing::why(cause)?.describe(cause)));
        passing.map_or(Error::Internal(error), Error::Unavailable)
    }
}

/// An error and its causes as a user reads them: each told once, and what the database said without the words
/// of the driver.
pub fn causes(error: &anyhow::Error) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = match cause.downcast_ref::<DbErr>() {
            Some(error) => crate::db::message(error),
            None => cause.to_string(),
        };
        // The driver's own error wraps the same text.
        let is_of_driver = cause.is::<RuntimeErr>() || cause.is::<sqlx::Error>();
        if !is_of_driver && !told.iter().any(|before| before.contains(&text)) {
            told.push(text);
        }
    }
    told
}

/// Whether what failed may succeed when it is done again: something that is needed is away, or refuses for
/// the moment.
pub fn may_pass(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(cause.downcast_ref(), Some(Error::Unavailable(_)))
            || cause.downcast_ref().is_some_and(crate::db::is_passing)
    })
}

/// The column whose value another row of the domain has already, by the name that Postgres gives to
/// constraints: `<table>_pulp_domain_id_<column>_key`. None if several columns have to be unique together.
fn taken(error: &DbErr) -> Option<String> {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) = error
    else {
        return None;
    };
    let refusal = cause.as_database_error()?;
    let columns =
        refusal.constraint()?.strip_prefix(refusal.table()?)?.strip_prefix('_')?.strip_suffix("_key")?;
    let column = columns.strip_prefix("pulp_domain_id_").unwrap_or(columns);
    ["name", "base_path", "username"].contains(&column).then(|| column.to_owned())
}

fn describe(errors: &FieldErrors) -> String {
    let lines: Vec<String> =
        errors.iter().map(|(field, messages)| format!("{field}: {}", messages.join(" "))).collect();
    lines.join("; ")
}
