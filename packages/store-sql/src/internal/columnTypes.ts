import type { Dialect } from "./dialect.js"

/** The types and options that differ between the dialects. */
export interface Types {
  readonly bytes: string
  readonly integer: string
  readonly text: string
  readonly id: string
  readonly table: string
  readonly linkTable: string
}

export const types: { readonly [D in Dialect["name"]]: Types } = {
  sqlite: {
    bytes: "BLOB",
    integer: "INTEGER",
    text: "TEXT",
    id: "INTEGER PRIMARY KEY",
    table: "STRICT",
    linkTable: "STRICT, WITHOUT ROWID"
  },
  postgres: {
    bytes: "BYTEA",
    integer: "BIGINT",
    text: `TEXT COLLATE "C"`,
    id: "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    table: "",
    linkTable: ""
  }
}
