//! `secret = ["password_hash"]`: the columns that never leave the process.

use std::collections::HashSet;

use heck::ToSnakeCase;
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, ExprArray, ExprLit, Lit, LitStr, Meta, Path};

use super::value::{expect_value, mismatch_error};
use crate::{column::is_column, text::to_text};

const EXAMPLE: &str = r#"["password_hash"]"#;

/// The secret columns of a model, as the user wrote them.
#[derive(Clone)]
pub(crate) struct Secret {
    pub(crate) columns: Vec<SecretColumn>,
    array: ExprArray,
}

/// One secret column.
#[derive(Clone)]
pub(crate) enum SecretColumn {
    /// The name of its field in the model.
    Field(LitStr),
    /// Its variant, if SeaORM derives another from the field.
    Variant(Path),
}

impl ToTokens for Secret {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.array.to_tokens(tokens);
    }
}

impl Secret {
    /// Parses the argument's value. Combines the errors of all elements; each has its element's
    /// place.
    pub(super) fn parse(meta: &Meta) -> syn::Result<Self> {
        let array = match expect_value(meta, EXAMPLE)? {
            Expr::Array(array) => array.clone(),
            // A single column without an array.
            Expr::Lit(ExprLit {
                lit: Lit::Str(column),
                ..
            }) if is_column(&column.value()) => {
                let example = format!("[{}]", to_text(column));
                return Err(syn::Error::new_spanned(
                    column,
                    format!("`secret` takes an array of columns: write `secret = {example}`"),
                ));
            }
            other => return Err(mismatch_error(meta, other, EXAMPLE)),
        };
        if array.elems.is_empty() {
            return Err(syn::Error::new_spanned(
                &array,
                format!(
                    "the array of columns is empty: write `secret = {EXAMPLE}`, or remove the argument"
                ),
            ));
        }
        let mut columns = Vec::new();
        let mut seen = HashSet::new();
        let mut errors: Option<syn::Error> = None;
        for element in &array.elems {
            let column = parse_column(element).and_then(|column| {
                let name = match &column {
                    SecretColumn::Field(name) => name.value(),
                    SecretColumn::Variant(path) => to_text(path),
                };
                if seen.contains(&name) {
                    let message = format!("`{name}` is given twice: keep one");
                    return Err(syn::Error::new_spanned(element, message));
                }
                seen.insert(name);
                Ok(column)
            });
            match (column, &mut errors) {
                (Ok(column), _) => columns.push(column),
                (Err(error), Some(errors)) => errors.combine(error),
                (Err(error), None) => errors = Some(error),
            }
        }
        match errors {
            Some(errors) => Err(errors),
            None => Ok(Self { columns, array }),
        }
    }
}

/// Parses one element. Generated code names the column with the element's span, so the compiler
/// itself reports a column that the model does not have.
fn parse_column(element: &Expr) -> syn::Result<SecretColumn> {
    let message = match element {
        Expr::Lit(ExprLit {
            lit: Lit::Str(column),
            ..
        }) => match column.value() {
            name if name.starts_with(char::is_uppercase) && is_column(&name) => format!(
                "a secret is the name of a column's field in the model: write `\"{}\"`",
                name.to_snake_case()
            ),
            name if is_column(&name) => return Ok(SecretColumn::Field(column.clone())),
            _ => "a secret is the name of a column's field in the model: write `\"password_hash\"`"
                .to_owned(),
        },
        Expr::Path(variant) if variant.qself.is_none() && variant.path.segments.len() > 1 => {
            return Ok(SecretColumn::Variant(variant.path.clone()));
        }
        Expr::Path(name) if is_column(&to_text(name)) => {
            format!("a column is a string: write `\"{}\"`", to_text(name))
        }
        _ => "a column is a string: write `\"password_hash\"`".to_owned(),
    };
    Err(syn::Error::new_spanned(element, message))
}
