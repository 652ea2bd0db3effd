//! Nothing here: this package only holds tests.
