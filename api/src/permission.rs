//! What a user needs to be or to have for an operation. Every endpoint names it; the router checks it.

use crate::auth::User;
use crate::{Error, Result};

/// What an operation asks of its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Nothing: the operation needs no credentials.
    Anonymous,
    /// To be logged in.
    Authenticated,
    /// To be a superuser.
    Superuser,
    /// A permission by its name, such as `file.view_filerepository`. Until there are roles, superusers alone
    /// have it.
    Named(String),
}

impl Permission {
    /// Whether the operation needs no credentials.
    pub fn is_anonymous(&self) -> bool {
        *self == Permission::Anonymous
    }

    /// Whether this user may call the operation.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] without a user where one is needed, [`Error::Forbidden`] if the user may
    /// not.
    pub fn check(&self, user: Option<&User>) -> Result<()> {
        match (self, user) {
            (Permission::Anonymous, _) | (Permission::Authenticated, Some(_)) => Ok(()),
            (_, None) => Err(Error::Unauthenticated),
            (Permission::Superuser | Permission::Named(_), Some(user)) if user.is_superuser => Ok(()),
            (Permission::Superuser | Permission::Named(_), Some(_)) => Err(Error::Forbidden),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn until_there_are_roles_only_superusers_have_permissions() {
        let user = |is_superuser| User { id: 1, username: "a".into(), is_superuser };
        let named = Permission::Named("core.view_task".into());
        assert!(Permission::Anonymous.check(None).is_ok());
        assert!(matches!(Permission::Authenticated.check(None), Err(Error::Unauthenticated)));
        assert!(Permission::Authenticated.check(Some(&user(false))).is_ok());
        for permission in [named, Permission::Superuser] {
            assert!(matches!(permission.check(None), Err(Error::Unauthenticated)));
            assert!(matches!(permission.check(Some(&user(false))), Err(Error::Forbidden)));
            assert!(permission.check(Some(&user(true))).is_ok());
        }
    }
}
