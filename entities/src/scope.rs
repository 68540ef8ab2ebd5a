//! Who asks, and in which domain. Every query of the REST API and of plugins over rows begins here.

use std::marker::PhantomData;

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, Iterable, PrimaryKeyToColumn,
    PrimaryKeyTrait, QueryFilter, QuerySelect, Select, TryGetable,
};
use uuid::Uuid;

use crate::{Result, domain};

/// The primary key of an entity.
pub type KeyOf<E> = <<E as EntityTrait>::PrimaryKey as PrimaryKeyTrait>::ValueType;

/// Rows that requests may ask for.
pub trait Visible: EntityTrait {
    /// The column of the domain; none if rows belong to the installation, or to a domain by way of another
    /// row.
    fn domain() -> Option<Self::Column>;

    /// Only the rows of one domain.
    fn within(rows: Select<Self>, domain: Uuid) -> Select<Self> {
        match Self::domain() {
            Some(column) => rows.filter(column.eq(domain)),
            None => rows,
        }
    }
}

/// Rows that are a part of another row, and are seen by whoever sees that one.
pub trait Part: EntityTrait {
    /// The column that says of which row.
    fn whole() -> Self::Column;
}

/// Who asks, and in which domain: made once for a request by the router, for a task from its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The domain.
    domain: Uuid,
    /// The user; none where an operation is open to all, and for tasks that no user asked for.
    user: Option<i32>,
    /// Which rows of the domain may be seen.
    rights: Rights,
}

/// Which rows of a domain may be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rights {
    All,
    None,
}

/// The id of a row that was found in a scope. It cannot be made in any other way.
pub struct Id<E: EntityTrait>(KeyOf<E>, PhantomData<fn() -> E>);

impl Scope {
    /// The scope of a request in the default domain. Until there are roles, only superusers see rows.
    pub fn of_request(user: Option<i32>, is_superuser: bool) -> Scope {
        let rights = if is_superuser { Rights::All } else { Rights::None };
        Scope { domain: domain::DEFAULT, user, rights }
    }

    /// The scope of a task: its domain. What its user may do was checked when it was dispatched.
    pub fn of_task(domain: Uuid, user: Option<i32>) -> Scope {
        Scope { domain, user, rights: Rights::All }
    }

    /// The domain.
    pub fn domain(&self) -> Uuid {
        self.domain
    }

    /// The user's id.
    pub fn user(&self) -> Option<i32> {
        self.user
    }

    /// The rows of `E` that may be seen: those of the domain, and of them what the rights show.
    pub fn rows<E: Visible>(&self) -> Select<E> {
        let rows = E::within(E::find(), self.domain);
        match self.rights {
            Rights::All => rows,
            Rights::None => rows.filter(Expr::val(false)),
        }
    }

    /// The parts of rows that were found in this scope, by their keys.
    pub fn parts<P: Part>(&self, wholes: impl IntoIterator<Item = Uuid>) -> Select<P> {
        P::find().filter(P::whole().is_in(wholes))
    }

    /// The row with this key.
    pub async fn find<E: Visible>(&self, db: &impl ConnectionTrait, key: KeyOf<E>) -> Result<Option<E::Model>>
    where
        KeyOf<E>: Into<sea_orm::Value>,
        E::Model: FromQueryResult + Sized + Send + Sync,
    {
        Ok(self.rows::<E>().filter(key_column::<E>().eq(key)).one(db).await?)
    }

    /// The id of the first of some of the rows that may be seen.
    pub async fn first<E: Visible>(
        &self,
        db: &impl ConnectionTrait,
        narrow: impl FnOnce(Select<E>) -> Select<E>,
    ) -> Result<Option<Id<E>>>
    where
        KeyOf<E>: TryGetable + Send + Sync,
    {
        let rows = narrow(self.rows::<E>()).select_only().column(key_column::<E>()).limit(1);
        let key = rows.into_tuple::<KeyOf<E>>().one(db).await?;
        Ok(key.map(|key| Id(key, PhantomData)))
    }
}

/// The column of an entity's primary key, which has to be one column.
pub fn key_column<E: EntityTrait>() -> E::Column {
    let key = E::PrimaryKey::iter().next();
    key.map(PrimaryKeyToColumn::into_column).expect("every entity has a primary key")
}

impl<E: EntityTrait> Id<E>
where
    KeyOf<E>: Copy,
{
    /// The key.
    pub fn key(&self) -> KeyOf<E> {
        self.0
    }
}

impl<E: EntityTrait> Clone for Id<E>
where
    KeyOf<E>: Clone,
{
    fn clone(&self) -> Id<E> {
        Id(self.0.clone(), PhantomData)
    }
}

impl<E: EntityTrait> Copy for Id<E> where KeyOf<E>: Copy {}

impl<E: EntityTrait> std::fmt::Debug for Id<E>
where
    KeyOf<E>: std::fmt::Debug,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Id({:?})", self.0)
    }
}
