import * as AuthScope from "@effect-oci/core/AuthScope"
import * as ResourceScope from "@effect-oci/core/ResourceScope"
import * as Schema from "effect/Schema"

/** An entry of the claim `access`: https://distribution.github.io/distribution/spec/auth/jwt/ */
const Entry = Schema.Struct({
  type: Schema.String,
  class: Schema.optional(Schema.String),
  name: Schema.String,
  actions: Schema.Array(Schema.String)
})

export type Access = ReadonlyArray<typeof Entry.Type>

/** The number of entries that a token may contain. */
const maxEntries = 256

/** The claim. It may be missing, or `null`, which is how Go encodes an empty list. */
export const Claim: Schema.Schema<Access | null | undefined> = Schema.UndefinedOr(
  Schema.NullOr(Schema.Array(Entry).pipe(Schema.maxItems(maxEntries)))
)

/**
 * A type with a class, such as `repository(plugin)`. The class is not empty, because others parse `repository()` as a
 * type without a class.
 */
const classForm = /^([^()]+)\(([^()]+)\)$/

export const fromScope = (scope: AuthScope.AuthScope): Access => {
  const entries = new Map<string, { type: string; class?: string; name: string; actions: Array<string> }>()
  for (const part of AuthScope.values(scope)) {
    if (ResourceScope.isOpaque(part)) continue
    const { action, resource, type } = part
    const key = JSON.stringify([type, resource])
    const known = entries.get(key)
    if (known !== undefined) known.actions.push(action)
    else {
      const [, plain = type, kind] = classForm.exec(type) ?? []
      entries.set(key, {
        type: plain,
        ...(kind === undefined ? {} : { class: kind }),
        name: resource,
        actions: [action]
      })
    }
  }
  return [...entries.values()]
}

export const toScope = (access: Access): AuthScope.AuthScope =>
  AuthScope.make(
    access.flatMap(({ actions, class: kind, name, type }) =>
      actions.map((action) => ResourceScope.make(kind === undefined ? type : `${type}(${kind})`, name, action))
    )
  )
