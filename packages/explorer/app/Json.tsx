/** JSON as a tree that is opened level by level, so that a large document costs only what is shown of it. */
import { Lazy, Paged } from "./parts.js"
import { Text, TextOrLink } from "./Text.js"

const maxDepth = 64

const Value = ({ value }: { readonly value: unknown }) =>
  typeof value === "string" ? <TextOrLink>{value}</TextOrLink> : <span class="literal">{String(value)}</span>

/** Shows a value. The first `open` levels are open. */
export const Json = (
  { depth = 0, open = 1, value }: { readonly value: unknown; readonly open?: number; readonly depth?: number }
) => {
  if (typeof value !== "object" || value === null) return <Value value={value} />
  if (depth > maxDepth) return <span class="literal">…</span>
  const members: ReadonlyArray<readonly [string, unknown]> = Object.entries(value)
  if (members.length === 0) return <span class="literal">{Array.isArray(value) ? "[]" : "{}"}</span>
  return (
    <Paged items={members}>
      {(shown) => (
        <ul class="json">
          {shown.map(([name, member]) => (
            <li key={name}>
              {typeof member === "object" && member !== null
                ? (
                  <Lazy
                    isOpen={depth + 1 < open}
                    summary={
                      <>
                        <span class="name">
                          <Text limit={200}>{name}</Text>
                        </span>{" "}
                        <small>
                          {Array.isArray(member) ? `[${member.length}]` : `{${Object.keys(member).length}}`}
                        </small>
                      </>
                    }
                  >
                    {() => <Json value={member} depth={depth + 1} open={open} />}
                  </Lazy>
                )
                : (
                  <>
                    <span class="name">
                      <Text limit={200}>{name}</Text>
                    </span>{" "}
                    <Value value={member} />
                  </>
                )}
            </li>
          ))}
        </ul>
      )}
    </Paged>
  )
}
