//! Runs a test on each database engine.

/// Generates a module of tests for each engine. Each test calls the function of the same name in
/// the parent module. `@of` generates the module for one engine only; with `@alone`, each test runs
/// in a process of its own.
macro_rules! on_each_engine {
    ($($test:ident)*) => {
        $crate::support::on_each_engine! { @of sqlite Sqlite $($test)* }
        $crate::support::on_each_engine! { @of postgres Postgres $($test)* }
        $crate::support::on_each_engine! { @of mariadb MariaDb $($test)* }
    };
    (@alone $($test:ident)*) => {
        $crate::support::on_each_engine! { @of sqlite Sqlite @alone $($test)* }
        $crate::support::on_each_engine! { @of postgres Postgres @alone $($test)* }
        $crate::support::on_each_engine! { @of mariadb MariaDb @alone $($test)* }
    };
    (@of $module:ident $engine:ident $($test:ident)*) => {
        mod $module {
            use $crate::support::Engine;

            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(Engine::$engine).await;
                }
            )*
        }
    };
    (@of $module:ident $engine:ident @alone $($test:ident)*) => {
        mod $module {
            use $crate::support::{Engine, alone};

            $(
                #[tokio::test]
                async fn $test() {
                    let name = concat!(module_path!(), "::", stringify!($test));
                    alone(name, super::$test(Engine::$engine)).await;
                }
            )*
        }
    };
}
pub(crate) use on_each_engine;
