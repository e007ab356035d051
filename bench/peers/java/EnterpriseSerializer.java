import java.io.IOException;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.base.TypeSerializerSingleton;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** An enterprise in Flink's checkpoints: the length, and the bytes of {@link Enterprise#write}. */
public final class EnterpriseSerializer extends TypeSerializerSingleton<Enterprise> {
    static final EnterpriseSerializer INSTANCE = new EnterpriseSerializer();

    @Override
    public boolean isImmutableType() {
        return false;
    }

    @Override
    public Enterprise createInstance() {
        return new Enterprise();
    }

    @Override
    public Enterprise copy(Enterprise from) {
        return Enterprise.read(from.write());
    }

    @Override
    public Enterprise copy(Enterprise from, Enterprise reuse) {
        return copy(from);
    }

    @Override
    public int getLength() {
        return -1;
    }

    @Override
    public void serialize(Enterprise one, DataOutputView target) throws IOException {
        byte[] bytes = one.write();
        target.writeInt(bytes.length);
        target.write(bytes);
    }

    @Override
    public Enterprise deserialize(DataInputView source) throws IOException {
        byte[] bytes = new byte[source.readInt()];
        source.readFully(bytes);
        return Enterprise.read(bytes);
    }

    @Override
    public Enterprise deserialize(Enterprise reuse, DataInputView source) throws IOException {
        return deserialize(source);
    }

    @Override
    public void copy(DataInputView source, DataOutputView target) throws IOException {
        serialize(deserialize(source), target);
    }

    @Override
    public TypeSerializerSnapshot<Enterprise> snapshotConfiguration() {
        return new Snapshot();
    }

    /** Read by name from a checkpoint, so public. */
    public static final class Snapshot extends SimpleTypeSerializerSnapshot<Enterprise> {
        public Snapshot() {
            super(() -> INSTANCE);
        }
    }
}
