//! Turns SeaORM-backed REST APIs live.
pub use rest_live_macros::{live, subscribable};
pub use rest_live_runtime::*;

#[doc(hidden)]
pub mod __private {
    pub use rest_live_macros::__collected;
    pub use rest_live_runtime::__private::*;
}

#[cfg(feature = "warp")]
pub mod warp {
    //! The warp transport.
    pub use rest_live_warp::subscriptions;
}
