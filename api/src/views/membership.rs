//! Which units are in which versions, as conditions: membership is an interval of version numbers.

use entities::repository_content::{Column, Entity};
use sea_orm::ColumnTrait;
use sea_orm::sea_query::{Expr, ExprTrait, Query, SelectStatement};
use uuid::Uuid;

/// Units of a repository, as a query over their memberships.
#[derive(Clone, Debug)]
pub struct Members(SelectStatement);

/// The units of version `number` of `repository`.
pub fn of_version(repository: Expr, number: Expr) -> Members {
    let members = of(repository)
        .and_where(Column::VersionAdded.into_expr().lte(number.clone()))
        .and_where(Column::VersionRemoved.is_null().or(Column::VersionRemoved.into_expr().gt(number)))
        .take();
    Members(members)
}

/// The units that version `number` of `repository` added.
pub fn added(repository: Expr, number: Expr) -> Members {
    Members(of(repository).and_where(Column::VersionAdded.into_expr().eq(number)).take())
}

/// The units that version `number` of `repository` removed.
pub fn removed(repository: Expr, number: Expr) -> Members {
    Members(of(repository).and_where(Column::VersionRemoved.into_expr().eq(number)).take())
}

/// The units of any complete version of a repository whose next version has the number `next`.
pub fn ever(repository: impl ColumnTrait, next: impl ColumnTrait) -> Members {
    let is_complete = Column::VersionAdded.into_expr().lt(next.into_expr());
    Members(of(repository.into_expr()).and_where(is_complete).take())
}

/// The units of the latest complete version of a repository whose next version has the number `next`.
pub fn latest(repository: impl ColumnTrait, next: impl ColumnTrait) -> Members {
    let Members(mut ever) = ever(repository, next);
    let stays = Column::VersionRemoved.into_expr().gte(next.into_expr());
    Members(ever.and_where(Column::VersionRemoved.is_null().or(stays)).take())
}

fn of(repository: Expr) -> SelectStatement {
    let mut members = Query::select();
    members.from(Entity).and_where(Column::RepositoryId.into_expr().eq(repository));
    members
}

impl Members {
    /// That the unit in `column` is one of them.
    pub fn contain(mut self, column: impl ColumnTrait) -> Expr {
        column.in_subquery(self.0.column(Column::ContentId).take())
    }

    /// That this unit is one of them.
    pub fn having(mut self, unit: Uuid) -> Expr {
        Expr::exists(self.0.expr(Expr::val(1)).and_where(Column::ContentId.eq(unit)).take())
    }

    /// That any of these units is one of them.
    pub fn having_any(mut self, units: Vec<Uuid>) -> Expr {
        Expr::exists(self.0.expr(Expr::val(1)).and_where(Column::ContentId.is_in(units)).take())
    }
}
