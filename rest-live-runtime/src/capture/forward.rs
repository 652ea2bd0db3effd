//! The implementation of SeaORM's traits that a live connection and a live transaction share.
//!
//! Every statement becomes a [`Call`](crate::capture::statement::Call) with a
//! [`Plan`](crate::capture::statement::plan::Plan), which the type runs with its `run_call`.

/// Implements `ConnectionTrait`, `StreamTrait` and `TransactionTrait` for a type with the fields
/// `inner` and `sink` and the methods `start` and `run_call`.
macro_rules! forward_traits {
    ($live:ty, $inner:ty) => {
        #[::async_trait::async_trait]
        impl ::sea_orm::ConnectionTrait for $live {
            fn get_database_backend(&self) -> ::sea_orm::DbBackend {
                $crate::capture::hooks::probe::answer(&self.sink);
                ::sea_orm::ConnectionTrait::get_database_backend(&self.inner)
            }

            async fn execute<S: ::sea_orm::StatementBuilder>(
                &self,
                statement: &S,
            ) -> Result<::sea_orm::ExecResult, ::sea_orm::DbErr> {
                let statement = self.sink.build(statement);
                let answer = self.run_built(statement, $crate::capture::statement::Method::Execute);
                answer.await?.into_exec_result()
            }

            async fn execute_raw(
                &self,
                statement: ::sea_orm::Statement,
            ) -> Result<::sea_orm::ExecResult, ::sea_orm::DbErr> {
                let answer = self.run_raw(statement, $crate::capture::statement::Method::Execute);
                answer.await?.into_exec_result()
            }

            async fn execute_unprepared(
                &self,
                sql: &str,
            ) -> Result<::sea_orm::ExecResult, ::sea_orm::DbErr> {
                let backend = self.sink.database.backend;
                let statement = ::sea_orm::Statement::from_string(backend, sql);
                let answer = self.run_raw(
                    statement,
                    $crate::capture::statement::Method::ExecuteUnprepared,
                );
                answer.await?.into_exec_result()
            }

            async fn query_one<S: ::sea_orm::StatementBuilder>(
                &self,
                statement: &S,
            ) -> Result<Option<::sea_orm::QueryResult>, ::sea_orm::DbErr> {
                let statement = self.sink.build(statement);
                let answer =
                    self.run_built(statement, $crate::capture::statement::Method::QueryOne);
                answer.await?.into_one()
            }

            async fn query_one_raw(
                &self,
                statement: ::sea_orm::Statement,
            ) -> Result<Option<::sea_orm::QueryResult>, ::sea_orm::DbErr> {
                let answer = self.run_raw(statement, $crate::capture::statement::Method::QueryOne);
                answer.await?.into_one()
            }

            async fn query_all<S: ::sea_orm::StatementBuilder>(
                &self,
                statement: &S,
            ) -> Result<Vec<::sea_orm::QueryResult>, ::sea_orm::DbErr> {
                let statement = self.sink.build(statement);
                let answer =
                    self.run_built(statement, $crate::capture::statement::Method::QueryAll);
                answer.await?.into_all()
            }

            async fn query_all_raw(
                &self,
                statement: ::sea_orm::Statement,
            ) -> Result<Vec<::sea_orm::QueryResult>, ::sea_orm::DbErr> {
                let answer = self.run_raw(statement, $crate::capture::statement::Method::QueryAll);
                answer.await?.into_all()
            }

            fn support_returning(&self) -> bool {
                $crate::capture::hooks::probe::note_returning_query();
                self.inner.support_returning()
            }

            fn is_mock_connection(&self) -> bool {
                self.inner.is_mock_connection()
            }
        }

        impl ::sea_orm::StreamTrait for $live {
            type Stream<'a> =
                $crate::capture::LiveStream<<$inner as ::sea_orm::StreamTrait>::Stream<'a>>;

            fn get_database_backend(&self) -> ::sea_orm::DbBackend {
                ::sea_orm::ConnectionTrait::get_database_backend(&self.inner)
            }

            fn stream_raw<'a>(
                &'a self,
                statement: ::sea_orm::Statement,
            ) -> ::std::pin::Pin<
                Box<
                    dyn ::std::future::Future<Output = Result<Self::Stream<'a>, ::sea_orm::DbErr>>
                        + Send
                        + 'a,
                >,
            > {
                let (mut reset, switch) =
                    $crate::capture::connection::stream::ResetOnDrop::for_statement(
                        &self.sink, &statement,
                    );
                Box::pin(async move {
                    if let Some(reset) = &mut reset {
                        reset.announced().await;
                    }
                    if let Some(switch) = switch {
                        self.begin_switch(&switch).await;
                    }
                    let stream = self.inner.stream_raw(statement).await?;
                    Ok($crate::capture::LiveStream::new(stream, reset))
                })
            }
        }

        #[::async_trait::async_trait]
        impl ::sea_orm::TransactionTrait for $live {
            type Transaction = $crate::capture::LiveTransaction;

            async fn begin(&self) -> Result<Self::Transaction, ::sea_orm::DbErr> {
                self.start(::sea_orm::TransactionOptions::default()).await
            }

            async fn begin_with_config(
                &self,
                isolation_level: Option<::sea_orm::IsolationLevel>,
                access_mode: Option<::sea_orm::AccessMode>,
            ) -> Result<Self::Transaction, ::sea_orm::DbErr> {
                let options = ::sea_orm::TransactionOptions {
                    isolation_level,
                    access_mode,
                    ..Default::default()
                };
                self.start(options).await
            }

            async fn begin_with_options(
                &self,
                options: ::sea_orm::TransactionOptions,
            ) -> Result<Self::Transaction, ::sea_orm::DbErr> {
                self.start(options).await
            }

            async fn transaction<F, T, E>(
                &self,
                callback: F,
            ) -> Result<T, ::sea_orm::TransactionError<E>>
            where
                F: for<'c> FnOnce(
                        &'c Self::Transaction,
                    ) -> ::std::pin::Pin<
                        Box<dyn ::std::future::Future<Output = Result<T, E>> + Send + 'c>,
                    > + Send,
                T: Send,
                E: ::std::fmt::Display + ::std::fmt::Debug + Send,
            {
                self.begin().await?.run(callback).await
            }

            async fn transaction_with_config<F, T, E>(
                &self,
                callback: F,
                isolation_level: Option<::sea_orm::IsolationLevel>,
                access_mode: Option<::sea_orm::AccessMode>,
            ) -> Result<T, ::sea_orm::TransactionError<E>>
            where
                F: for<'c> FnOnce(
                        &'c Self::Transaction,
                    ) -> ::std::pin::Pin<
                        Box<dyn ::std::future::Future<Output = Result<T, E>> + Send + 'c>,
                    > + Send,
                T: Send,
                E: ::std::fmt::Display + ::std::fmt::Debug + Send,
            {
                self.begin_with_config(isolation_level, access_mode)
                    .await?
                    .run(callback)
                    .await
            }
        }

        impl $live {
            /// Runs a statement that SeaQuery built.
            async fn run_built(
                &self,
                statement: ::sea_orm::Statement,
                method: $crate::capture::statement::Method,
            ) -> Result<$crate::capture::statement::answer::Answer, ::sea_orm::DbErr> {
                let call = $crate::capture::statement::Call::new(statement, method);
                let database = &self.sink.database;
                database
                    .detect_returning(&self.inner, &call.statement.sql)
                    .await;
                let plan = $crate::capture::statement::plan::Plan::for_built(
                    &self.sink,
                    &call.statement,
                    call.writer,
                );
                let plan = plan.without_forbidden_reading(&self.inner, &self.sink);
                let plan = plan.await;
                self.run_call(call, plan).await
            }

            /// Runs raw SQL.
            async fn run_raw(
                &self,
                statement: ::sea_orm::Statement,
                method: $crate::capture::statement::Method,
            ) -> Result<$crate::capture::statement::answer::Answer, ::sea_orm::DbErr> {
                let plan =
                    $crate::capture::statement::plan::Plan::for_raw(&self.sink, &statement.sql);
                let call = $crate::capture::statement::Call::new(statement, method);
                self.run_call(call, plan).await
            }

            /// Runs a closure in a transaction. Commits if it returns `Ok`, rolls back otherwise.
            /// It takes an `async` closure, like SeaORM's inherent method with the same name.
            ///
            /// # Errors
            /// The error of the closure, or the error of the database if the transaction cannot
            /// begin, commit or roll back.
            pub async fn transaction_async<F, T, E>(
                &self,
                callback: F,
            ) -> Result<T, ::sea_orm::TransactionError<E>>
            where
                F: for<'c> AsyncFnOnce(&'c $crate::capture::LiveTransaction) -> Result<T, E> + Send,
                T: Send,
                E: ::std::fmt::Display + ::std::fmt::Debug + Send,
            {
                let transaction = ::sea_orm::TransactionTrait::begin(self).await?;
                let result = callback(&transaction).await;
                transaction.finish(result).await
            }

            /// Returns SeaORM's own connection or transaction, for code that accepts only that
            /// type, such as a migration. Writes through it are not captured.
            pub fn inner(&self) -> &$inner {
                &self.inner
            }
        }
    };
}

pub(crate) use forward_traits;
