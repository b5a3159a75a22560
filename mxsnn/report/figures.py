def learning_curves(rows, path): pass
def confusion_matrix(table, classes, path): pass
def example(recording, name, spikes, path): pass
