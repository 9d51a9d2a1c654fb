import { Memory } from "@effect-oci/store"
import { blobStoreSuite } from "./suites/blobStore.js"

blobStoreSuite("memory", () => Memory.layerBlobStore())
