//! The tables of the shelves.
#![expect(unreachable_pub, reason = "what is derived for an entity is public")]

pub(super) mod furniture {
    use entities::scope::Visible;
    use sea_orm::entity::prelude::*;
    use serde::Serialize;

    /// What all furniture has.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
    #[sea_orm(table_name = "test_furniture")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub pulp_created: DateTimeUtc,
        pub pulp_last_updated: DateTimeUtc,
        pub pulp_domain_id: Uuid,
        pub pulp_type: String,
        #[sea_orm(column_type = "JsonBinary")]
        pub pulp_labels: Json,
        pub name: String,
    }

    impl ActiveModelBehavior for ActiveModel {}

    impl Visible for Entity {
        fn domain() -> Option<Column> {
            Some(Column::PulpDomainId)
        }
    }
}

pub(super) mod shelf {
    use sea_orm::entity::prelude::*;

    /// What shelves have beside that.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "test_shelf")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub repositories: Vec<Uuid>,
        #[sea_orm(column_type = "JsonBinary", nullable)]
        pub place: Option<Json>,
        pub picture: Option<String>,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod board {
    use entities::scope::Visible;
    use sea_orm::entity::prelude::*;
    use serde::Serialize;

    /// A board of a shelf.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
    #[sea_orm(table_name = "test_board")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub pulp_id: Uuid,
        pub pulp_domain_id: Uuid,
        pub shelf_id: i32,
        pub height: i32,
    }

    impl ActiveModelBehavior for ActiveModel {}

    impl Visible for Entity {
        fn domain() -> Option<Column> {
            Some(Column::PulpDomainId)
        }
    }
}

pub(super) mod notice {
    use entities::scope::Visible;
    use sea_orm::entity::prelude::*;
    use serde::Serialize;

    /// A notice.
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
    #[sea_orm(table_name = "test_notice")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub pulp_id: Uuid,
        pub pulp_domain_id: Uuid,
        pub text: String,
    }

    impl ActiveModelBehavior for ActiveModel {}

    impl Visible for Entity {
        fn domain() -> Option<Column> {
            Some(Column::PulpDomainId)
        }
    }
}
