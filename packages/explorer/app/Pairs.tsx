/** Names and values of a registry, such as annotations and labels. */
import { Paged } from "./parts.js"
import { Text, TextOrLink } from "./Text.js"

export const Pairs = ({ pairs }: { readonly pairs: ReadonlyArray<readonly [string, string]> }) => (
  <Paged items={pairs.toSorted(([one], [other]) => one < other ? -1 : 1)}>
    {(shown) => (
      <dl class="pairs">
        {shown.map(([name, value], at) => (
          <div key={at}>
            <dt>
              <Text limit={300}>{name}</Text>
            </dt>
            <dd>
              <TextOrLink>{value}</TextOrLink>
            </dd>
          </div>
        ))}
      </dl>
    )}
  </Paged>
)
