//! Why a statement failed that may succeed when it is sent again: one classification for workers, servers and
//! commands.

use sea_orm::{DbErr, RuntimeErr};

/// Why a statement failed that may succeed when it is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// The server could not be reached: it is starting, stopping or full, or the connection broke.
    Away,
    /// The server takes no changes, as a standby does after a failover. What only reads goes on.
    ReadOnly,
    /// The server does not let us in: the role may not log in, its password was changed, or the database is
    /// closed or renamed.
    Refused,
    /// The server could not do it now: another transaction, a time limit or a lack of resources was in the
    /// way.
    Busy,
}

impl Passing {
    /// What this SQLSTATE says; none if the statement would fail again.
    pub fn of(code: &str) -> Option<Passing> {
        const AWAY: [&str; 6] = ["08", "53300", "57P01", "57P02", "57P03", "57P05"];
        const REFUSED: [&str; 3] = ["28", "3D000", "55000"];
        const BUSY: [&str; 6] = ["25P03", "40", "53", "55P03", "57", "58"];
        let is_in = |classes: &[&str]| classes.iter().any(|class| code.starts_with(class));
        match code {
            _ if is_in(&AWAY) => Some(Passing::Away),
            "25006" => Some(Passing::ReadOnly),
            _ if is_in(&REFUSED) => Some(Passing::Refused),
            _ if is_in(&BUSY) => Some(Passing::Busy),
            _ => None,
        }
    }

    /// Why the same statement may succeed when it is repeated; none if it would fail again. The outcome of
    /// the failed attempt is unknown.
    pub fn why(error: &DbErr) -> Option<Passing> {
        let cause = match error {
            DbErr::ConnectionAcquire(_) => return Some(Passing::Away),
            DbErr::Conn(cause) | DbErr::Exec(cause) | DbErr::Query(cause) => cause,
            _ => return None,
        };
        let RuntimeErr::SqlxError(cause) = cause else {
            return matches!(error, DbErr::Conn(_)).then_some(Passing::Away);
        };
        match &**cause {
            sqlx::Error::Database(refusal) => Passing::of(&refusal.code()?),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed => Some(Passing::Away),
            _ => None,
        }
    }

    /// What a client or an operator is told about such an error.
    pub fn describe(self, error: &DbErr) -> String {
        let what = match self {
            Passing::Away => "The database cannot be reached",
            Passing::ReadOnly => "The database takes no changes at the moment",
            Passing::Refused => "The database refuses the login",
            Passing::Busy => "The database cannot do this at the moment",
        };
        format!("{what}: {}", message(error))
    }
}

/// Whether the same statement may succeed when it is repeated; see [`Passing::why`].
pub fn is_passing(error: &DbErr) -> bool {
    Passing::why(error).is_some()
}

/// What Postgres calls the error (SQLSTATE), if it is Postgres that answered.
pub fn code(error: &DbErr) -> Option<String> {
    Some(refusal(error)?.code()?.into_owned())
}

/// The text of an error: what Postgres said if it is Postgres that answered, without what the driver adds.
pub fn message(error: &DbErr) -> String {
    refusal(error).map_or_else(|| error.to_string(), |refusal| refusal.message().to_owned())
}

fn refusal(error: &DbErr) -> Option<&dyn sqlx::error::DatabaseError> {
    let (DbErr::Conn(cause) | DbErr::Exec(cause) | DbErr::Query(cause)) = error else { return None };
    let RuntimeErr::SqlxError(cause) = cause else { return None };
    cause.as_database_error()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_pass_are_told_from_those_that_stay() {
        for (code, expected) in [
            ("08006", Some(Passing::Away)),
            ("53300", Some(Passing::Away)),
            ("57P01", Some(Passing::Away)),
            ("25006", Some(Passing::ReadOnly)),
            ("28000", Some(Passing::Refused)),
            ("28P01", Some(Passing::Refused)),
            ("53100", Some(Passing::Busy)),
            ("40P01", Some(Passing::Busy)),
            ("57014", Some(Passing::Busy)),
            ("23505", None),
            ("42P01", None),
        ] {
            assert_eq!(Passing::of(code), expected, "{code}");
        }
    }
}
