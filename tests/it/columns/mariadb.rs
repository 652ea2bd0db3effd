//! The types of MariaDB.

use rest_live::log::MemoryLog;
use rest_live_redis::RedisLog;
use sea_orm::{ActiveValue::Set, entity::prelude::*};
use serde::Serialize;

use super::{Table, compare, start};
use crate::support::Engine;

mod sample {
    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, DeriveEntityModel)]
    #[sea_orm(table_name = "sample")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub version: i32,
        pub flag: bool,
        pub tiny: i8,
        pub small: i16,
        pub big: i64,
        pub tiny_unsigned: u8,
        pub small_unsigned: u16,
        pub unsigned_integer: u32,
        pub big_unsigned: u64,
        pub real: f32,
        pub double: f64,
        pub text: String,
        pub padded: String,
        pub bytes: Vec<u8>,
        #[sea_orm(column_type = "Binary(16)")]
        pub binary: Vec<u8>,
        #[sea_orm(column_type = "Json")]
        pub json: Json,
        #[sea_orm(column_type = "Json", nullable)]
        pub maybe_json: Option<Json>,
        #[sea_orm(column_type = "Binary(16)")]
        pub uuid_binary: Uuid,
        pub uuid: Uuid,
        #[serde(serialize_with = "crate::columns::debug")]
        pub uuid_text: TextUuid,
        pub uuid_urn: uuid::fmt::Urn,
        pub chrono_date: ChronoDate,
        pub chrono_time: ChronoTime,
        pub chrono_date_time: ChronoDateTime,
        pub chrono_utc: ChronoDateTimeUtc,
        pub chrono_zone: ChronoDateTimeWithTimeZone,
        pub chrono_local: ChronoDateTimeLocal,
        pub time_date: TimeDate,
        pub time_time: TimeTime,
        pub time_date_time: TimeDateTime,
        pub time_zone: TimeDateTimeWithTimeZone,
        pub decimal: Decimal,
        #[sea_orm(column_type = "Decimal(Some((65, 10)))")]
        pub big_decimal: BigDecimal,
        pub kind: Kind,
        pub word: Word,
        pub level: Level,
        #[sea_orm(column_type = "custom(\"SET\")")]
        pub members: String,
        #[sea_orm(column_type = "Year")]
        pub year: u16,
        #[sea_orm(column_type = "Bit(Some(8))", select_as = "UNSIGNED")]
        pub bits: u64,
        pub maybe_text: Option<String>,
        pub maybe_zone: Option<TimeDateTimeWithTimeZone>,
        pub doubled: i32,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "String", db_type = "Enum", enum_name = "kind")]
    pub enum Kind {
        #[sea_orm(string_value = "one")]
        One,
        #[sea_orm(string_value = "two")]
        Two,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "String", db_type = "Text")]
    pub enum Word {
        #[sea_orm(string_value = "yes")]
        Yes,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, EnumIter, DeriveActiveEnum)]
    #[sea_orm(rs_type = "i8", db_type = "TinyInteger")]
    pub enum Level {
        #[sea_orm(num_value = -3)]
        Low,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[rest_live::live]
    impl ActiveModelBehavior for ActiveModel {}
}

super::serializer!(SampleSerializer, "it.Sample", sample);

const TABLE: Table = Table {
    definitions: "CREATE TABLE sample (id int PRIMARY KEY, version int NOT NULL, flag boolean NOT NULL, tiny tinyint NOT NULL, \
small smallint NOT NULL, big bigint NOT NULL, tiny_unsigned tinyint unsigned NOT NULL, \
small_unsigned smallint unsigned NOT NULL, unsigned_integer int unsigned NOT NULL, big_unsigned bigint unsigned NOT NULL, \
`real` float NOT NULL, `double` double NOT NULL, text text NOT NULL, padded char(5) NOT NULL, bytes blob NOT NULL, \
`binary` binary(16) NOT NULL, json json NOT NULL, maybe_json json, uuid_binary binary(16) NOT NULL, uuid uuid NOT NULL, \
uuid_text char(36) NOT NULL, uuid_urn binary(16) NOT NULL, chrono_date date NOT NULL, chrono_time time(6) NOT NULL, \
chrono_date_time datetime(6) NOT NULL, chrono_utc timestamp(6) NOT NULL DEFAULT now(), \
chrono_zone timestamp(6) NOT NULL DEFAULT now(), chrono_local timestamp(6) NOT NULL DEFAULT now(), time_date date NOT NULL, \
time_time time(6) NOT NULL, time_date_time datetime(6) NOT NULL, time_zone timestamp(6) NOT NULL DEFAULT now(), \
`decimal` decimal(20, 4) NOT NULL, big_decimal decimal(65, 10) NOT NULL, kind enum('one', 'two') NOT NULL, word text NOT NULL, \
level tinyint NOT NULL, members set('a', 'b', 'c') NOT NULL, year year NOT NULL, bits bit(8) NOT NULL, maybe_text text, \
maybe_zone timestamp(6) NULL, doubled int AS (version * 2) STORED)",
    columns: &[
        ("flag", &["true", "false"]),
        ("tiny", &["-128", "7"]),
        ("small", &["-32768"]),
        ("big", &["-9223372036854775808"]),
        ("tiny_unsigned", &["255"]),
        ("small_unsigned", &["65535"]),
        ("unsigned_integer", &["4294967295"]),
        ("big_unsigned", &["18446744073709551615"]),
        ("`real`", &["0.1", "16777216", "1e-30"]),
        (
            "`double`",
            &[
                "0.1",
                "0.30000000000000004",
                "1e300",
                "2.2250738585072011e-308",
                "-0.0",
            ],
        ),
        ("text", &["'a \"b\" ü 🦀'", "''"]),
        ("padded", &["'ab'"]),
        ("bytes", &["x'00ff10'", "''"]),
        (
            "`binary`",
            &["x'67e5504410b1426f9247bb680e5fe0c8'", "x'00'"],
        ),
        (
            "json",
            &[
                r#"'{"b": 1, "a": [1.10, null, 0.30000000000000004]}'"#,
                "'null'",
                "'[]'",
            ],
        ),
        ("maybe_json", &["NULL", r#"'{"a":0.1234567890123456789}'"#]),
        ("uuid_binary", &["x'67e5504410b1426f9247bb680e5fe0c8'"]),
        ("uuid", &["'67e55044-10b1-426f-9247-bb680e5fe0c8'"]),
        ("uuid_text", &["'67e55044-10b1-426f-9247-bb680e5fe0c8'"]),
        ("uuid_urn", &["x'67e5504410b1426f9247bb680e5fe0c8'"]),
        ("chrono_date", &["'2024-02-29'"]),
        ("chrono_time", &["'12:30:00'", "'23:59:59.999999'"]),
        (
            "chrono_date_time",
            &["'2024-05-01 12:00:00'", "'2024-12-31 23:59:59.5'"],
        ),
        ("chrono_utc", &["'2024-05-01 12:00:00.000001'"]),
        ("chrono_zone", &["'2024-05-01 12:00:00.5'"]),
        ("chrono_local", &["'2024-05-01 12:00:00'"]),
        (
            "time_date",
            &["'2024-02-29'", "'1000-01-01'", "'9999-12-31'"],
        ),
        ("time_time", &["'12:30:00'", "'23:59:59.999999'"]),
        (
            "time_date_time",
            &["'2024-05-01 12:00:00'", "'2024-12-31 23:59:59.5'"],
        ),
        ("time_zone", &["'2024-05-01 12:00:00.000001'"]),
        ("`decimal`", &["1.50", "0", "-1234567890123456.1234"]),
        (
            "big_decimal",
            &[
                "1.50",
                "1234567890123456789012345678901234567890.0123456789",
                "0",
            ],
        ),
        ("kind", &["'one'", "'two'"]),
        ("word", &["'yes'"]),
        ("level", &["-3"]),
        ("members", &["'a,c'", "''"]),
        ("year", &["2024"]),
        ("bits", &["b'00000101'"]),
        ("maybe_text", &["NULL", "'a'"]),
        ("maybe_zone", &["NULL", "'2024-05-01 12:00:00'"]),
    ],
};

fn touch(id: i32, version: i32) -> sample::ActiveModel {
    sample::ActiveModel {
        id: Set(id),
        version: Set(version),
        ..Default::default()
    }
}

#[tokio::test]
async fn every_log_carries_every_type() {
    let (db, _database, redis) = start(Engine::MariaDb, &TABLE).await;
    let log = MemoryLog::default();
    compare::<SampleSerializer, _>("memory", &db, log, &TABLE, touch).await;
    let log = RedisLog::connect(&redis.url()).await.unwrap();
    compare::<SampleSerializer, _>("Redis", &db, log, &TABLE, touch).await;
}
