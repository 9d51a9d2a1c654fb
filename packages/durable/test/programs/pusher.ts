/** Pushes images into a directory until it is killed. Prints the number of each image after it was acknowledged. */
import { Durable } from "@effect-oci/durable"
import { Effect } from "effect"
import { pushImage } from "../images.js"

const [directory = "", first = "0"] = process.argv.slice(2)
let next = Number(first)

const pushNext = Effect.suspend(() => {
  const number = next++
  return Effect.map(pushImage(number), () => process.stdout.write(`${number}\n`))
})

await Effect.runPromise(
  Effect.forEach(Array.from({ length: 8 }), () => Effect.forever(pushNext), { concurrency: "unbounded" }).pipe(
    Effect.provide(Durable.layer({ directory }))
  )
)
