//! The schema: what `pulpcore migrate` applies, and what every process checks when it starts.
//!
//! # Steps
//! Tables are made by numbered steps, each a file of SQL below `sql/`: [`SqlMigration`]. A step is never
//! edited once it is released; a change is a new step. Core's steps come first, then each plugin's, in the
//! order of the plugin list. The names of the applied ones are in the table `seaql_migrations`.
//!
//! # Functions
//! Database functions are not steps. Each is a file below `functions/` that begins with `CREATE OR REPLACE
//! FUNCTION`, and is edited in place: the file is the function that runs, and its history is that of the
//! file. The table `schema_function` records the SHA-256 of every file that was applied. A file that differs
//! from its record is applied again, one that does not is left alone, and a function that the program no
//! longer has is dropped. A function whose arguments or columns changed, which Postgres does not replace, is
//! dropped and created. There is one function of a name. `functions.rs` lists them, and says what is written
//! as a function at all.
//!
//! Functions of triggers are applied before the steps, because the steps create the triggers; all others
//! after the steps, because they name the tables.
//!
//! The numbers of advisory locks are those of [`entities::db::lock`], which SQL gets as functions
//! (`lock_queue()`, …).
//!
//! # What a plugin adds
//! Its own steps, and its own functions if it needs any. Names begin with the plugin's, so that they never
//! meet core's:
//!
//! ```
//! use migration::{Function, Migrator, SqlMigration};
//!
//! const TABLES: SqlMigration =
//!     SqlMigration { name: "shelf_m0001", sql: "CREATE TABLE shelf_book (pulp_id uuid PRIMARY KEY)" };
//!
//! // In a crate of its own this is `include_str!("functions/shelf_books.sql")`.
//! const BOOKS: Function = Function::new(
//!     "shelf_books",
//!     "CREATE OR REPLACE FUNCTION shelf_books() RETURNS bigint LANGUAGE sql AS
//!      'SELECT count(*) FROM shelf_book'",
//! );
//!
//! let migrator = Migrator::new(|| vec![Box::new(TABLES)]).with_functions(|| vec![BOOKS]);
//! ```
//!
//! # An update
//! Steps and functions are applied in one transaction, under one advisory lock: of several `pulpcore migrate`
//! one works and the others find everything done, and a failure leaves the schema as it was. A process starts
//! only on exactly the schema that it was built with ([`Migrator::difference`]); one that finds another exits
//! and says what to do, and is started again by whatever supervises it. So the order of an update is:
//! migrate, then restart the processes. Those that still run meanwhile see each function change between two
//! statements, never half of the change. They go on as long as what they call is there with the arguments
//! they know: a step or function that takes that away belongs into the version after the one that stopped
//! using it, or all processes are stopped first. An older program can be put back as long as no step was
//! added: its `pulpcore migrate` applies its own functions again.

mod functions;
mod migrator;
mod record;
mod sql;

pub use functions::Function;
pub use migrator::{Applied, Difference, Error, Migrator};
pub use sql::SqlMigration;

use sea_orm_migration::MigrationTrait;

/// Core's steps, oldest first.
fn core() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(SqlMigration { name: "m0001_core", sql: include_str!("sql/m0001_core.sql") }),
        Box::new(SqlMigration { name: "m0002_tasking", sql: include_str!("sql/m0002_tasking.sql") }),
    ]
}
